@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package com.google.mlkit.vision.face

import android.graphics.Rect
import com.google.android.gms.tasks.Task
import com.google.mlkit.vision.common.InputImage

class Face {
    val boundingBox: Rect get() = TODO()
}

interface FaceDetector : AutoCloseable {
    fun process(image: InputImage): Task<List<Face>>

    override fun close()
}

class FaceDetectorOptions {
    class Builder {
        fun setPerformanceMode(mode: Int): Builder = TODO()

        fun build(): FaceDetectorOptions = TODO()
    }

    companion object {
        const val PERFORMANCE_MODE_FAST = 1
    }
}

class FaceDetection {
    companion object {
        @JvmStatic
        fun getClient(options: FaceDetectorOptions): FaceDetector = TODO()
    }
}
