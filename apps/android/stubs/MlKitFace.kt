@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package com.google.mlkit.vision.face

import android.graphics.Rect
import com.google.android.gms.tasks.Task
import com.google.mlkit.vision.common.InputImage

class Face {
    val boundingBox: Rect get() = error("declared only")
}

interface FaceDetector : AutoCloseable {
    fun process(image: InputImage): Task<List<Face>>

    override fun close()
}

class FaceDetectorOptions {
    class Builder {
        fun setPerformanceMode(mode: Int): Builder = error("declared only")

        fun build(): FaceDetectorOptions = error("declared only")
    }

    companion object {
        const val PERFORMANCE_MODE_FAST = 1
    }
}

class FaceDetection {
    companion object {
        @JvmStatic
        fun getClient(options: FaceDetectorOptions): FaceDetector = error("declared only")
    }
}
