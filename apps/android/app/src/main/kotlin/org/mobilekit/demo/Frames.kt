package org.mobilekit.demo

import android.content.Context
import android.graphics.Bitmap
import androidx.camera.core.CameraSelector
import androidx.camera.core.ImageAnalysis
import androidx.camera.lifecycle.ProcessCameraProvider
import androidx.core.content.ContextCompat
import androidx.lifecycle.LifecycleOwner
import java.util.concurrent.Executor

/** Where a camera looks. */
enum class Facing(
    val selector: CameraSelector,
) {
    FRONT(CameraSelector.DEFAULT_FRONT_CAMERA),
    BACK(CameraSelector.DEFAULT_BACK_CAMERA),
    ;

    val other: Facing get() = if (this == FRONT) BACK else FRONT
}

/** A camera's frames, upright; those that come while one is worked on are dropped. */
class Frames(
    private val context: Context,
    private val executor: Executor,
) {
    private val provider get() = ProcessCameraProvider.getInstance(context)
    private val mainThread = ContextCompat.getMainExecutor(context)

    fun start(
        owner: LifecycleOwner,
        facing: Facing,
        tell: (String?) -> Unit,
        show: (Bitmap) -> Unit,
    ) {
        val asked = provider
        asked.addListener({
            tell(
                attempt {
                    asked.get().unbindAll()
                    asked.get().bindToLifecycle(owner, facing.selector, analysis(tell, show))
                },
            )
        }, mainThread)
    }

    fun stop() {
        val asked = provider
        asked.addListener({ attempt { asked.get().unbindAll() } }, mainThread)
    }

    private fun analysis(
        tell: (String?) -> Unit,
        show: (Bitmap) -> Unit,
    ): ImageAnalysis {
        val analysis =
            ImageAnalysis
                .Builder()
                .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
                .setOutputImageFormat(ImageAnalysis.OUTPUT_IMAGE_FORMAT_RGBA_8888)
                .build()
        analysis.setAnalyzer(executor) { frame ->
            val refused = frame.use { attempt { show(Pictures.upright(it.toBitmap(), it.imageInfo.rotationDegrees)) } }
            if (refused != null) tell(refused)
        }
        return analysis
    }
}
