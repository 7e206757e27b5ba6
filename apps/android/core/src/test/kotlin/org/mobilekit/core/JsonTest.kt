package org.mobilekit.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Test

class JsonTest {
    @Test
    fun `keys are sorted and what is written can be read`() {
        val value = mapOf("b" to listOf(1L, 2.5, null, true), "a" to mapOf<String, Any?>(), "c" to "q\"\\\n\u0001é")
        val text = Json.write(value)
        assertEquals(
            "{\n \"a\": {},\n \"b\": [\n  1,\n  2.5,\n  null,\n  true\n ],\n \"c\": ",
            text.substringBefore("\"q"),
        )
        assertEquals(value, Json.parse(text))
        assertEquals("[]\n", Json.write(emptyList<Any>()))
    }

    @Test
    fun `every escape and every kind of value`() {
        assertEquals("\n\t\r\b\u000c\"\\/é", Json.parse("""  "\n\t\r\b\f\"\\\/\u00e9" """))
        assertEquals(listOf(-1L, 1e3, false, null, emptyMap<String, Any?>()), Json.parse("[-1, 1e3, false, null, {}]"))
        assertEquals(Long.MAX_VALUE, Json.parse("9223372036854775807"))
    }

    @Test
    fun `what JSON has not is refused`() {
        refused("cannot hold NaN") { Json.write(listOf(Double.NaN)) }
        refused("cannot hold Infinity") { Json.write(Double.POSITIVE_INFINITY) }
        refused("cannot hold a Float") { Json.write(1f) }
    }

    @Test
    fun `damaged texts are refused with their place`() {
        val damaged =
            mapOf(
                "{" to "expected a key",
                "{\"a\" 1}" to "expected a colon at character 5",
                "[1 2]" to "expected a comma or ]",
                "[1" to "expected a comma or ]",
                "\"a" to "closing quote",
                "\"\\" to "expected an escape",
                "\"\\x\"" to "unknown escape",
                "\"\\u12" to "hexadecimal",
                "\"\\uzzzz\"" to "hexadecimal",
                "trye" to "expected true",
                "1 2" to "expected the end",
                "" to "expected a value",
                "--1" to "expected a value",
            )
        for ((text, words) in damaged) refused(words) { Json.parse(text) }
    }

    @Test
    fun `a node says where something else was expected`() {
        val node = JsonNode.parse("""{"a": [{"b": 1}], "c": null}""")
        assertEquals(1, node["a"].items()[0]["b"].int())
        assertEquals(1.0, node["a"].items()[0]["b"].double(), 0.0)
        assertNull(node.optional("c"))
        refused("expected a text - at `$.a[0].b`") { node["a"].items()[0]["b"].text() }
        refused("expected a value - at `$.d`") { node["d"] }
        refused("expected an object - at `$.a`") { node["a"]["b"] }
        refused("expected an object - at `$.a`") { node["a"].members() }
        refused("expected a list - at `$`") { node.items() }
        refused("expected a whole number") { node["a"].int() }
        refused("expected a number") { node["a"].double() }
        refused("expected true or false") { node["a"].boolean() }
    }
}
