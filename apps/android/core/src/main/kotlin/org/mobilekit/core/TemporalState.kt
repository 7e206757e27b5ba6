package org.mobilekit.core

import kotlin.math.exp

/** What a model of video is told of the frame before: the soft-max of its scores, zeros at the beginning. */
class TemporalState(
    private val state: Map<String, String>,
    private val inputs: List<TensorSpec>,
    private val outputs: List<TensorSpec>,
) {
    private val fed = HashMap<String, FloatArray>()

    init {
        for ((output, input) in state) check(outputNamed(output), inputNamed(input))
        reset()
    }

    /** Names of the inputs that are fed from here. */
    val names: Set<String> get() = fed.keys

    /** The one input that is not fed from here: the picture. */
    val image: TensorSpec =
        inputs.singleOrNull { it.name !in state.values } ?: throw ContractException("expected one image as input")

    /** Forgets all frames. */
    fun reset() {
        for (input in state.values) fed[input] = FloatArray(inputNamed(input).elements)
    }

    /** The values for an input. */
    operator fun get(input: String): FloatArray = fed.getValue(input)

    /** Remembers the outputs of a frame, in the order of the model's outputs. */
    fun remember(values: List<FloatArray>) {
        for ((output, input) in state) {
            val number = outputs.indexOfFirst { it.name == output }
            fed[input] = probabilities(values[number], outputs[number], inputNamed(input))
        }
    }

    private fun inputNamed(name: String): TensorSpec = named(inputs, name)

    private fun outputNamed(name: String): TensorSpec = named(outputs, name)

    private fun named(
        specs: List<TensorSpec>,
        name: String,
    ): TensorSpec = specs.find { it.name == name } ?: throw ContractException("the model has no $name to feed back")

    private fun check(
        output: TensorSpec,
        input: TensorSpec,
    ) {
        val given = output.imageSize()
        val wanted = input.imageSize()
        val sizes = given.height == wanted.height && given.width == wanted.width
        if (!sizes || wanted.channels !in setOf(1, given.channels)) {
            throw ContractException(
                "${output.name} ${output.described()} cannot be fed back to ${input.name} ${input.described()}",
            )
        }
    }

    /** An input of one channel gets the probability of all but the background. */
    private fun probabilities(
        scores: FloatArray,
        output: TensorSpec,
        input: TensorSpec,
    ): FloatArray {
        val pixels = output.imageSize().run { height * width }
        val classes = output.imageSize().channels
        val single = input.imageSize().channels == 1
        val found = FloatArray(input.elements)
        val powers = DoubleArray(classes)
        for (pixel in 0 until pixels) {
            var most = Float.NEGATIVE_INFINITY
            for (number in 0 until classes) most = maxOf(most, scores[place(output, pixel, number, pixels, classes)])
            for (number in 0 until classes) {
                powers[number] = exp((scores[place(output, pixel, number, pixels, classes)] - most).toDouble())
            }
            val sum = powers.sum()
            if (single) {
                found[pixel] = (1 - powers[0] / sum).toFloat()
            } else {
                for (number in 0 until classes) {
                    found[place(input, pixel, number, pixels, classes)] = (powers[number] / sum).toFloat()
                }
            }
        }
        return found
    }

    private fun place(
        spec: TensorSpec,
        pixel: Int,
        number: Int,
        pixels: Int,
        classes: Int,
    ): Int = if (spec.layout == Layout.NHWC) pixel * classes + number else number * pixels + pixel
}
