@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package androidx.compose.ui.layout

interface ContentScale {
    companion object {
        val Fit: ContentScale = error("declared only")
        val FillWidth: ContentScale = error("declared only")
    }
}
