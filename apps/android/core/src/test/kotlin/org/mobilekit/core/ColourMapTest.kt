package org.mobilekit.core

import org.junit.Assert.assertEquals
import org.junit.Test

class ColourMapTest {
    @Test
    fun `every shared vector`() {
        for (case in Vectors.cases("colours.json")) {
            val colours = case["colours"].items().map { it.text() }
            val mask = case["mask"].ints().map { it.toByte() }.toByteArray()
            val found = ColourMap.of(colours, colours.size).paint(mask)
            assertEquals(case["name"].text(), case["rgba"].ints(), ColourMap.rgba(found).toList())
        }
    }

    @Test
    fun `without a colour for each class hues are taken`() {
        val map = ColourMap.of(listOf("#000000"), 3)
        assertEquals(3, map.size)
        assertEquals(0, map[0])
        // colorsys.hsv_to_rgb(0.618034, 0.75, 0.95) and of twice that, modulo 1, in levels
        assertEquals(0xff3d72f2.toInt(), map[1])
        assertEquals(0xffa7f23d.toInt(), map[2])
    }

    @Test
    fun `what is no colour is refused`() {
        refused("found #12345g") { ColourMap.of(listOf("#000000", "#12345g"), 2) }
        refused("found #123") { ColourMap.of(listOf("#000000", "#123"), 2) }
    }
}
