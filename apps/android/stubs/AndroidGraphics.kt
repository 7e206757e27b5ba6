@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package android.graphics

class Bitmap {
    val width: Int get() = error("declared only")
    val height: Int get() = error("declared only")

    enum class Config { ARGB_8888 }

    fun getPixels(
        pixels: IntArray,
        offset: Int,
        stride: Int,
        x: Int,
        y: Int,
        width: Int,
        height: Int,
    ): Unit = error("declared only")

    fun copy(
        config: Config,
        isMutable: Boolean,
    ): Bitmap = error("declared only")

    companion object {
        @JvmStatic
        fun createBitmap(
            colors: IntArray,
            width: Int,
            height: Int,
            config: Config,
        ): Bitmap = error("declared only")

        @JvmStatic
        fun createBitmap(
            source: Bitmap,
            x: Int,
            y: Int,
            width: Int,
            height: Int,
            m: Matrix?,
            filter: Boolean,
        ): Bitmap = error("declared only")
    }
}

class Canvas(
    bitmap: Bitmap,
) {
    fun drawRect(
        r: Rect,
        paint: Paint,
    ): Unit = error("declared only")

    fun drawBitmap(
        bitmap: Bitmap,
        src: Rect?,
        dst: Rect,
        paint: Paint?,
    ): Unit = error("declared only")
}

class Matrix {
    fun postRotate(degrees: Float): Boolean = error("declared only")
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
    var style: Style = error("declared only")

    enum class Style { FILL, STROKE }
}

class Rect(
    @JvmField var left: Int,
    @JvmField var top: Int,
    @JvmField var right: Int,
    @JvmField var bottom: Int,
) {
    fun width(): Int = error("declared only")

    fun height(): Int = error("declared only")
}
