@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package android.app

import android.content.Context

class Instrumentation {
    val targetContext: Context get() = error("declared only")
}
