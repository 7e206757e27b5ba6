package org.mobilekit.core

/** Runs a model on the golden inputs of its artifact and compares what it gives with the golden outputs. */
class GoldenCheck(
    private val model: BundledModel,
    private val file: ModelFile,
) {
    fun check(engine: InferenceEngine): Parity {
        val inputs = model.golden("inputs")
        val outputs = model.golden("outputs")
        val sets = inputs.names.map { it.substringBefore('.') }.distinct()
        val compared = sets.filter(::isJudged).flatMap { compare(engine, it, inputs, outputs) }
        return Parity.of(compared, model.goldenSha256("outputs"))
    }

    /** A file whose ranges of activations come from images is not judged on noise. */
    private fun isJudged(set: String): Boolean = file.leastSqnrDb.keys.any { it.startsWith("$set.") }

    private fun leastSqnrDb(name: String): Double =
        file.leastSqnrDb[name] ?: throw ContractException("${model.manifest.name}: its manifest has no parity of $name")

    private fun compare(
        engine: InferenceEngine,
        set: String,
        inputs: SafeTensors,
        outputs: SafeTensors,
    ): List<Compared> {
        val values =
            file.inputs.map { spec ->
                val golden = inputs["$set.${spec.name}"]
                Axes.toFile(golden.values, golden.shape, spec)
            }
        val found = engine.run(values)
        return file.outputs.mapIndexed { number, spec ->
            val name = "$set.${spec.name}"
            val least = Units.leastSqnrDb(engine.facts.requested, leastSqnrDb(name))
            Compared.of(found[number], spec, outputs[name], least)
        }
    }
}
