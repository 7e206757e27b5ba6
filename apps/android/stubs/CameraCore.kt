@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package androidx.camera.core

import android.graphics.Bitmap
import java.util.concurrent.Executor

class CameraSelector {
    companion object {
        @JvmField val DEFAULT_FRONT_CAMERA: CameraSelector = error("declared only")

        @JvmField val DEFAULT_BACK_CAMERA: CameraSelector = error("declared only")
    }
}

interface Camera

open class UseCase

interface ImageInfo {
    val rotationDegrees: Int
}

interface ImageProxy : AutoCloseable {
    val imageInfo: ImageInfo

    fun toBitmap(): Bitmap
}

class ImageAnalysis : UseCase() {
    fun interface Analyzer {
        fun analyze(image: ImageProxy)
    }

    fun setAnalyzer(
        executor: Executor,
        analyzer: Analyzer,
    ): Unit = error("declared only")

    class Builder {
        fun setBackpressureStrategy(strategy: Int): Builder = error("declared only")

        fun setOutputImageFormat(format: Int): Builder = error("declared only")

        fun build(): ImageAnalysis = error("declared only")
    }

    companion object {
        const val STRATEGY_KEEP_ONLY_LATEST = 0
        const val OUTPUT_IMAGE_FORMAT_RGBA_8888 = 2
    }
}
