package org.mobilekit.demo

import android.graphics.Bitmap
import com.google.android.gms.tasks.Tasks
import com.google.mlkit.vision.common.InputImage
import com.google.mlkit.vision.face.FaceDetection
import com.google.mlkit.vision.face.FaceDetectorOptions
import org.mobilekit.core.Box

/** Finds the face to look at. */
interface FaceFinder : AutoCloseable {
    /** The largest face of an upright frame; null where there is none. */
    fun find(frame: Bitmap): Box?
}

/** ML Kit's detector, whose model is in the app; waits for its answer. */
class MlKitFaceFinder : FaceFinder {
    private val detector =
        FaceDetection.getClient(
            FaceDetectorOptions.Builder().setPerformanceMode(FaceDetectorOptions.PERFORMANCE_MODE_FAST).build(),
        )

    override fun find(frame: Bitmap): Box? {
        val faces = Tasks.await(detector.process(InputImage.fromBitmap(frame, 0)))
        val box = faces.map { it.boundingBox }.maxByOrNull { it.width() * it.height() }
        return box?.let { Box(it.left, it.top, it.width(), it.height()) }
    }

    override fun close() = detector.close()
}
