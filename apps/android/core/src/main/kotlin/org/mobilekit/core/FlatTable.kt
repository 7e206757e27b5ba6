package org.mobilekit.core

import java.nio.ByteBuffer

/** One table of a flat buffer: fields by their number in the schema. */
internal class FlatTable(
    private val content: ByteBuffer,
    private val at: Int,
) {
    private val fields = at - content.getInt(at)
    private val size = content.getShort(fields).toInt()

    private fun place(field: Int): Int? {
        val slot = FIRST + 2 * field
        if (slot >= size) return null
        val offset = content.getShort(fields + slot).toInt() and 0xffff
        return if (offset == 0) null else at + offset
    }

    fun int(field: Int): Int = place(field)?.let(content::getInt) ?: 0

    fun byte(field: Int): Int = place(field)?.let { content.get(it).toInt() } ?: 0

    fun text(field: Int): String {
        val start = followed(place(field) ?: return "")
        val bytes = ByteArray(content.getInt(start)) { content.get(start + INT_BYTES + it) }
        return String(bytes, Charsets.UTF_8)
    }

    fun table(field: Int): FlatTable? = place(field)?.let { FlatTable(content, followed(it)) }

    fun tables(field: Int): List<FlatTable> = elements(field, INT_BYTES) { FlatTable(content, followed(it)) }

    fun ints(field: Int): List<Int> = elements(field, INT_BYTES, content::getInt)

    fun floats(field: Int): List<Float> = elements(field, INT_BYTES, content::getFloat)

    fun longs(field: Int): List<Long> = elements(field, LONG_BYTES, content::getLong)

    private fun <T> elements(
        field: Int,
        bytes: Int,
        read: (Int) -> T,
    ): List<T> {
        val start = followed(place(field) ?: return emptyList())
        return List(content.getInt(start)) { read(start + INT_BYTES + bytes * it) }
    }

    private fun followed(place: Int): Int = place + content.getInt(place)

    private companion object {
        const val FIRST = 4
        const val INT_BYTES = 4
        const val LONG_BYTES = 8
    }
}
