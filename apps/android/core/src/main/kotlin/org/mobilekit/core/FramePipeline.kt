package org.mobilekit.core

/** What a model says of one frame: a mask's colours, a map of where it looks, a score, a class, or several of these. */
class FrameAnswer(
    /** What the model was shown; null where there was no face. */
    val box: Box?,
    val times: Map<Stage, Long>,
    val overlay: Overlay? = null,
    /** Mean over the last faces; null for a model that does not tell forged ones. */
    val forgery: Double? = null,
    val label: String? = null,
)

/** A picture of 0xAARRGGBB pixels to lie over the box. */
class Overlay(
    val width: Int,
    val height: Int,
    val argb: IntArray,
)

/** From a frame to what is shown of it, for any bundled model: what a model is comes from its manifest. */
class FramePipeline(
    manifest: Manifest,
    private val file: ModelFile,
    private val engine: InferenceEngine,
    private val clock: Clock = MonotonicClock,
) {
    private val state = TemporalState(manifest.state, file.inputs, file.outputs)
    private val image = state.image
    private val preprocess = Preprocess(image, manifest.range)
    private val painter = Painter(file.outputs, manifest.labels, manifest.colours)
    private val verdict = Verdict(manifest.labels, file.outputs)

    /** Names of the classes beside their colours. */
    val legend: List<Pair<String, Int>> get() = painter.legend

    /** Forgets the frames before, as when another camera is chosen. */
    fun reset() = state.reset()

    /** Works on a frame, whose pixels are only asked for where there is a face; without one all before is forgotten. */
    fun answer(
        frame: () -> Picture,
        face: Box?,
        detectionNs: Long,
    ): FrameAnswer {
        if (face == null) {
            reset()
            return FrameAnswer(null, mapOf(Stage.DETECTION to detectionNs))
        }
        val start = clock.nowNs()
        val picture = frame()
        val box = preprocess.around(picture, face)
        val values = preprocess.values(picture, box)
        val ready = clock.nowNs()
        val outputs = engine.run(file.inputs.map { if (it == image) values else state[it.name] })
        val done = clock.nowNs()
        state.remember(outputs)
        val overlay = painter.paint(outputs)
        val times =
            mapOf(
                Stage.DETECTION to detectionNs,
                Stage.PREPROCESSING to ready - start,
                Stage.INFERENCE to done - ready,
                Stage.COLOURING to clock.nowNs() - done,
            )
        return FrameAnswer(box, times, overlay, verdict.forgery(outputs), verdict.label(outputs))
    }
}
