@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package android.content

import android.content.res.AssetManager
import android.os.Parcelable
import java.io.File

abstract class Context {
    val assets: AssetManager get() = error("declared only")
    val cacheDir: File get() = error("declared only")
    val filesDir: File get() = error("declared only")
    val packageName: String get() = error("declared only")

    fun <T> getSystemService(type: Class<T>): T = error("declared only")

    fun checkSelfPermission(permission: String): Int = error("declared only")

    fun startActivity(intent: Intent): Unit = error("declared only")
}

open class ContextWrapper : Context()

class Intent(
    action: String,
) {
    fun setType(type: String): Intent = error("declared only")

    fun putExtra(
        name: String,
        value: Parcelable?,
    ): Intent = error("declared only")

    fun addFlags(flags: Int): Intent = error("declared only")

    companion object {
        const val ACTION_SEND = ""
        const val EXTRA_STREAM = ""
        const val FLAG_GRANT_READ_URI_PERMISSION = 1

        @JvmStatic
        fun createChooser(
            target: Intent,
            title: CharSequence,
        ): Intent = error("declared only")
    }
}
