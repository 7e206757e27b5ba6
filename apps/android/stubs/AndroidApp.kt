@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package android.app

import android.content.Context
import android.content.ContextWrapper
import android.os.Bundle
import android.view.View
import android.view.Window

open class Application : ContextWrapper()

open class Activity : ContextWrapper() {
    val window: Window get() = TODO()

    protected open fun onCreate(savedInstanceState: Bundle?): Unit = TODO()

    protected open fun onResume(): Unit = TODO()

    fun setContentView(view: View): Unit = TODO()
}

class ActivityManager {
    class MemoryInfo {
        @JvmField var totalMem: Long = 0
    }

    fun getMemoryInfo(info: MemoryInfo): Unit = TODO()
}
