package org.mobilekit.core

import java.io.File

/** The shared vectors, which Python, Swift and Kotlin tests read alike. */
object Vectors {
    private val folder = File(System.getProperty("mobilekit.testdata") ?: "../../testdata")

    fun text(name: String): String = File(folder, name).readText()

    fun node(name: String): JsonNode = JsonNode.parse(text(name))

    fun cases(name: String): List<JsonNode> = node(name).items()

    fun picture(name: String): Picture = File(folder, name).inputStream().use(Picture::ppm)

    /** A file of this module's own tests. */
    fun resource(name: String): ByteArray = javaClass.getResourceAsStream("/$name")!!.use { it.readBytes() }
}

fun JsonNode.floats(): FloatArray = items().map { it.double().toFloat() }.toFloatArray()

fun JsonNode.ints(): List<Int> = items().map { it.int() }

fun layoutOf(node: JsonNode): Layout = Layout.valueOf(node["layout"].text())
