package org.mobilekit.core

/** Reads one JSON text. */
internal class JsonParser(
    private val text: String,
) {
    private var at = 0

    fun whole(): Any? {
        val found = value()
        if (next() != END) fail("expected the end")
        return found
    }

    private fun value(): Any? =
        when (next()) {
            '{' -> members()
            '[' -> items()
            '"' -> quoted()
            't' -> word("true", true)
            'f' -> word("false", false)
            'n' -> word("null", null)
            else -> number()
        }

    private fun members(): Map<String, Any?> {
        val found = LinkedHashMap<String, Any?>()
        inside('}') {
            if (next() != '"') fail("expected a key")
            val key = quoted()
            if (next() != ':') fail("expected a colon")
            at++
            found[key] = value()
        }
        return found
    }

    private fun items(): List<Any?> {
        val found = ArrayList<Any?>()
        inside(']') { found.add(value()) }
        return found
    }

    private fun inside(
        close: Char,
        one: () -> Unit,
    ) {
        at++
        if (next() == close) {
            at++
            return
        }
        while (true) {
            one()
            val mark = next()
            at++
            if (mark == close) return
            if (mark != ',') fail("expected a comma or $close")
        }
    }

    private fun quoted(): String {
        val found = StringBuilder()
        at++
        while (true) {
            val letter = text.getOrElse(at++) { fail("expected a closing quote") }
            when (letter) {
                '"' -> return found.toString()
                '\\' -> found.append(escaped())
                else -> found.append(letter)
            }
        }
    }

    private fun escaped(): Char =
        when (val letter = text.getOrElse(at++) { fail("expected an escape") }) {
            'n' -> '\n'
            't' -> '\t'
            'r' -> '\r'
            'b' -> '\b'
            'f' -> '\u000c'
            'u' -> unicode()
            '"', '\\', '/' -> letter
            else -> fail("unknown escape \\$letter")
        }

    private fun unicode(): Char {
        val digits = text.substring(at, minOf(at + DIGITS, text.length))
        val code = digits.toIntOrNull(HEXADECIMAL)
        if (code == null || digits.length < DIGITS) fail("expected four hexadecimal digits")
        at += DIGITS
        return code.toChar()
    }

    private fun word(
        expected: String,
        meaning: Any?,
    ): Any? {
        if (!text.startsWith(expected, at)) fail("expected $expected")
        at += expected.length
        return meaning
    }

    private fun number(): Any {
        val start = at
        while (at < text.length && text[at] in NUMBER) at++
        val found = text.substring(start, at)
        return found.toLongOrNull() ?: found.toDoubleOrNull() ?: fail("expected a value")
    }

    private fun next(): Char {
        while (at < text.length && text[at].isWhitespace()) at++
        return text.getOrElse(at) { END }
    }

    private fun fail(words: String): Nothing = throw ContractException("JSON: $words at character $at")

    private companion object {
        const val END = '\u0000'
        const val NUMBER = "+-.0123456789eE"
        const val DIGITS = 4
        const val HEXADECIMAL = 16
    }
}
