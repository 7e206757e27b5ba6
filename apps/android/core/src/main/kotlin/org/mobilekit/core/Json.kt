package org.mobilekit.core

/** JSON as plain values: `Map<String, Any?>`, `List<Any?>`, `String`, `Long`, `Double`, `Boolean` and null. */
object Json {
    /** Reads one value; what does not fit is a [ContractException] that says where. */
    fun parse(text: String): Any? = JsonParser(text).whole()

    /** Writes a value with its keys sorted and one space of indent; not-a-number and infinity are refused. */
    fun write(value: Any?): String = buildString { append(value, 0) }.plus("\n")

    private fun StringBuilder.append(
        value: Any?,
        depth: Int,
    ) {
        when (value) {
            null -> append("null")
            is String -> quoted(value)
            is Boolean, is Int, is Long -> append(value.toString())
            is Double -> append(finite(value))
            is Map<*, *> -> members(value, depth)
            is List<*> -> items(value, depth)
            else -> throw ContractException("JSON cannot hold a ${value.javaClass.simpleName}")
        }
    }

    private fun finite(value: Double): String {
        if (!value.isFinite()) throw ContractException("JSON cannot hold $value")
        return value.toString()
    }

    private fun StringBuilder.members(
        value: Map<*, *>,
        depth: Int,
    ) {
        val sorted = value.entries.sortedBy { it.key as String }
        block("{", "}", sorted, depth) { (key, member) ->
            quoted(key as String)
            append(": ")
            append(member, depth + 1)
        }
    }

    private fun StringBuilder.items(
        value: List<*>,
        depth: Int,
    ) = block("[", "]", value, depth) { append(it, depth + 1) }

    private fun <T> StringBuilder.block(
        open: String,
        close: String,
        parts: Collection<T>,
        depth: Int,
        one: (T) -> Unit,
    ) {
        append(open)
        parts.forEachIndexed { index, part ->
            if (index > 0) append(",")
            append("\n").append(" ".repeat(depth + 1))
            one(part)
        }
        if (parts.isNotEmpty()) append("\n").append(" ".repeat(depth))
        append(close)
    }

    private fun StringBuilder.quoted(text: String) {
        append('"')
        for (letter in text) {
            when {
                letter == '"' || letter == '\\' -> append('\\').append(letter)
                letter < ' ' -> append("\\u%04x".format(letter.code))
                else -> append(letter)
            }
        }
        append('"')
    }
}
