@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package androidx.activity.result

abstract class ActivityResultLauncher<I> {
    fun launch(input: I): Unit = error("declared only")
}
