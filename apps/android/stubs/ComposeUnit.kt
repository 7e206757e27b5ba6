@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package androidx.compose.ui.unit

class Dp

val Int.dp: Dp get() = error("declared only")
