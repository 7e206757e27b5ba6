@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package android.app

import android.content.Context
import android.content.ContextWrapper
import android.os.Bundle
import android.view.View
import android.view.Window

open class Application : ContextWrapper()

open class Activity : ContextWrapper() {
    val window: Window get() = error("declared only")

    protected open fun onCreate(savedInstanceState: Bundle?): Unit = error("declared only")

    protected open fun onResume(): Unit = error("declared only")

    fun setContentView(view: View): Unit = error("declared only")
}

class ActivityManager {
    class MemoryInfo {
        @JvmField var totalMem: Long = 0
    }

    fun getMemoryInfo(info: MemoryInfo): Unit = error("declared only")
}
