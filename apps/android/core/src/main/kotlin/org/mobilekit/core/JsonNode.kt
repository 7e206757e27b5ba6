package org.mobilekit.core

/** A value of a JSON text with its key path, so that what is wrong can be said where. */
class JsonNode(
    val value: Any?,
    val path: String = "$",
) {
    /** The member of an object; a [ContractException] where it is missing. */
    operator fun get(key: String): JsonNode {
        val found = optional(key)
        return found ?: throw ContractException("expected a value - at `$path.$key`")
    }

    /** The member of an object; null where it is missing or null. */
    fun optional(key: String): JsonNode? {
        val members = value as? Map<*, *> ?: wrong("an object")
        return members[key]?.let { JsonNode(it, "$path.$key") }
    }

    fun items(): List<JsonNode> {
        val found = value as? List<*> ?: wrong("a list")
        return found.mapIndexed { index, item -> JsonNode(item, "$path[$index]") }
    }

    /** The members of an object, in their order. */
    fun members(): Map<String, JsonNode> {
        val found = value as? Map<*, *> ?: wrong("an object")
        return found.entries.associate { (key, member) -> "$key" to JsonNode(member, "$path.$key") }
    }

    fun text(): String = value as? String ?: wrong("a text")

    fun long(): Long = value as? Long ?: wrong("a whole number")

    fun int(): Int = long().toInt()

    fun double(): Double = (value as? Number)?.toDouble() ?: wrong("a number")

    fun boolean(): Boolean = value as? Boolean ?: wrong("true or false")

    private fun wrong(expected: String): Nothing = throw ContractException("expected $expected - at `$path`")

    companion object {
        fun parse(text: String): JsonNode = JsonNode(Json.parse(text))
    }
}
