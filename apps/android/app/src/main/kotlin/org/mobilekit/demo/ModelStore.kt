package org.mobilekit.demo

import android.content.Context
import org.mobilekit.core.InferenceEngine
import org.mobilekit.core.ModelCatalog
import java.io.File

/** The bundled models, ready to be loaded. */
class ModelStore(
    private val context: Context,
) {
    val found by lazy { ModelCatalog(AssetSource(context.assets)).find() }

    /**
     * Lays a model's bytes, which are checked against its manifest, where LiteRT can map them.
     *
     * A file that lies there is never written again, as somebody may have it mapped: its name is its hash, and it got
     * there whole.
     */
    fun place(chosen: Chosen): File {
        val placed = File(context.cacheDir, "${chosen.file.sha256}.tflite")
        if (!placed.exists()) {
            val part = File.createTempFile("model", ".part", context.cacheDir)
            part.writeBytes(chosen.model.bytesOf(chosen.file))
            part.renameTo(placed)
        }
        return placed
    }

    fun load(
        placed: File,
        unit: String,
        threads: Int = THREADS,
    ): InferenceEngine = LiteRtEngine(context, placed, unit, threads)

    fun load(chosen: Chosen): InferenceEngine = load(place(chosen), chosen.unit)

    private companion object {
        const val THREADS = 4
    }
}
