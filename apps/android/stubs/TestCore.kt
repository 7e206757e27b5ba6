@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package androidx.test.core.app

import android.app.Activity

class ActivityScenario<A : Activity> : AutoCloseable {
    override fun close(): Unit = error("declared only")

    companion object {
        @JvmStatic
        fun <A : Activity> launch(activityClass: Class<A>): ActivityScenario<A> = error("declared only")
    }
}
