@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package com.google.mlkit.vision.common

import android.graphics.Bitmap

class InputImage {
    companion object {
        @JvmStatic
        fun fromBitmap(
            bitmap: Bitmap,
            rotationDegrees: Int,
        ): InputImage = error("declared only")
    }
}
