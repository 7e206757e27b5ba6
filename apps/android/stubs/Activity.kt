@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package androidx.activity

import android.app.Activity
import androidx.activity.result.ActivityResultLauncher
import androidx.activity.result.contract.ActivityResultContract
import androidx.lifecycle.LifecycleOwner
import androidx.lifecycle.ViewModel

open class ComponentActivity :
    Activity(),
    LifecycleOwner {
    fun <I, O> registerForActivityResult(
        contract: ActivityResultContract<I, O>,
        callback: (O) -> Unit,
    ): ActivityResultLauncher<I> = error("declared only")
}

fun ComponentActivity.enableEdgeToEdge(): Unit = error("declared only")

inline fun <reified VM : ViewModel> ComponentActivity.viewModels(): Lazy<VM> = error("declared only")
