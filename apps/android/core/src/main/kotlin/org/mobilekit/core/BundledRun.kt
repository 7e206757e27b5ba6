package org.mobilekit.core

/** A bundled picture, from an artifact's golden inputs, on its way through a model: as a measurement needs it. */
class BundledRun(
    private val model: BundledModel,
    private val file: ModelFile,
) {
    private val manifest = model.manifest
    private val state = TemporalState(manifest.state, file.inputs, file.outputs)
    private val image = state.image
    private val golden = model.golden("inputs")
    private val name =
        golden.names.firstOrNull { it.endsWith(".${image.name}") }
            ?: throw ContractException("${manifest.name}: has no golden ${image.name}")

    /** What a report calls the picture. */
    val input: String = "bundled:${name.substringBefore('.')}"

    /** The picture in its own size. */
    val picture: Picture = Picture.of(golden[name], manifest.range)

    private val preprocess = Preprocess(image, manifest.range)
    private val painter = Painter(file.outputs, manifest.labels, manifest.colours)

    /** Cutting and resizing before a run, colouring after it. */
    fun stages(): Stages = Stages(::values) { outputs -> painter.paint(outputs) }

    /** What the model says of the picture. */
    fun overlay(engine: InferenceEngine): Overlay? = painter.paint(engine.run(values()))

    private fun values(): List<FloatArray> {
        val levels = preprocess.values(picture)
        return file.inputs.map { if (it == image) levels else state[it.name] }
    }
}
