@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package androidx.test.platform.app

import android.app.Instrumentation
import android.os.Bundle

class InstrumentationRegistry {
    companion object {
        @JvmStatic
        fun getInstrumentation(): Instrumentation = error("declared only")

        @JvmStatic
        fun getArguments(): Bundle = error("declared only")
    }
}
