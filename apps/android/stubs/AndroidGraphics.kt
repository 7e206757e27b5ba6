@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package android.graphics

class Bitmap {
    val width: Int get() = TODO()
    val height: Int get() = TODO()

    enum class Config { ARGB_8888 }

    fun getPixels(
        pixels: IntArray,
        offset: Int,
        stride: Int,
        x: Int,
        y: Int,
        width: Int,
        height: Int,
    ): Unit = TODO()

    fun copy(
        config: Config,
        isMutable: Boolean,
    ): Bitmap = TODO()

    companion object {
        @JvmStatic
        fun createBitmap(
            colors: IntArray,
            width: Int,
            height: Int,
            config: Config,
        ): Bitmap = TODO()

        @JvmStatic
        fun createBitmap(
            source: Bitmap,
            x: Int,
            y: Int,
            width: Int,
            height: Int,
            m: Matrix?,
            filter: Boolean,
        ): Bitmap = TODO()
    }
}

class Canvas(
    bitmap: Bitmap,
) {
    fun drawRect(
        r: Rect,
        paint: Paint,
    ): Unit = TODO()

    fun drawBitmap(
        bitmap: Bitmap,
        src: Rect?,
        dst: Rect,
        paint: Paint?,
    ): Unit = TODO()
}

class Matrix {
    fun postRotate(degrees: Float): Boolean = TODO()
}

class Color {
    companion object {
        const val WHITE = -1
    }
}

class Paint {
    var alpha: Int = 0
    var color: Int = 0
    var strokeWidth: Float = 0f
    var style: Style = TODO()

    enum class Style { FILL, STROKE }
}

class Rect(
    @JvmField var left: Int,
    @JvmField var top: Int,
    @JvmField var right: Int,
    @JvmField var bottom: Int,
) {
    fun width(): Int = TODO()

    fun height(): Int = TODO()
}
