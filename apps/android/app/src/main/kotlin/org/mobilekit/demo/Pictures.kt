package org.mobilekit.demo

import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Matrix
import android.graphics.Paint
import android.graphics.Rect
import org.mobilekit.core.Box
import org.mobilekit.core.Overlay
import org.mobilekit.core.Picture

/** Between Android's bitmaps and the core's pictures. */
object Pictures {
    fun of(bitmap: Bitmap): Picture {
        val pixels = IntArray(bitmap.width * bitmap.height)
        bitmap.getPixels(pixels, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
        return Picture(bitmap.width, bitmap.height, pixels)
    }

    fun bitmapOf(picture: Picture): Bitmap =
        Bitmap.createBitmap(picture.argb, picture.width, picture.height, Bitmap.Config.ARGB_8888)

    fun upright(
        bitmap: Bitmap,
        degrees: Int,
    ): Bitmap {
        val turn = Matrix().apply { postRotate(degrees.toFloat()) }
        return Bitmap.createBitmap(bitmap, 0, 0, bitmap.width, bitmap.height, turn, true)
    }

    /** A copy of a frame with a box, and an overlay, half transparent, in it. */
    fun covered(
        frame: Bitmap,
        box: Box?,
        overlay: Overlay?,
    ): Bitmap {
        val found = frame.copy(Bitmap.Config.ARGB_8888, true)
        if (box != null) drawOver(found, box, overlay)
        return found
    }

    private fun drawOver(
        frame: Bitmap,
        box: Box,
        overlay: Overlay?,
    ) {
        val canvas = Canvas(frame)
        val place = Rect(box.left, box.top, box.left + box.width, box.top + box.height)
        canvas.drawRect(place, line)
        if (overlay == null) return
        val cover = Bitmap.createBitmap(overlay.argb, overlay.width, overlay.height, Bitmap.Config.ARGB_8888)
        canvas.drawBitmap(cover, null, place, half)
    }

    private val half = Paint().apply { alpha = 128 }
    private val line =
        Paint().apply {
            style = Paint.Style.STROKE
            strokeWidth = 2f
            color = Color.WHITE
        }
}
