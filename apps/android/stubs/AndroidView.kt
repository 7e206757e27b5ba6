@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package android.view

open class View {
    var keepScreenOn: Boolean = false
}

class Window {
    fun addFlags(flags: Int): Unit = error("declared only")
}

interface WindowManager {
    class LayoutParams {
        companion object {
            const val FLAG_KEEP_SCREEN_ON = 128
        }
    }
}
