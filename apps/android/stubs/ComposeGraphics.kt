@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package androidx.compose.ui.graphics

import android.graphics.Bitmap

interface ImageBitmap

fun Bitmap.asImageBitmap(): ImageBitmap = error("declared only")

class Color {
    companion object {
        val Unspecified: Color = error("declared only")
    }
}

fun Color(color: Int): Color = error("declared only")
