@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package androidx.lifecycle

import android.app.Application

interface LifecycleOwner

abstract class ViewModel {
    protected open fun onCleared(): Unit = error("declared only")
}

open class AndroidViewModel(
    application: Application,
) : ViewModel()
