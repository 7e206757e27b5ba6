@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package androidx.compose.ui.graphics

import android.graphics.Bitmap

interface ImageBitmap

fun Bitmap.asImageBitmap(): ImageBitmap = TODO()

class Color {
    companion object {
        val Unspecified: Color = TODO()
    }
}

fun Color(color: Int): Color = TODO()
