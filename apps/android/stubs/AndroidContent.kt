@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package android.content

import android.content.res.AssetManager
import android.os.Parcelable
import java.io.File

abstract class Context {
    val assets: AssetManager get() = TODO()
    val cacheDir: File get() = TODO()
    val filesDir: File get() = TODO()
    val packageName: String get() = TODO()

    fun <T> getSystemService(type: Class<T>): T = TODO()

    fun checkSelfPermission(permission: String): Int = TODO()

    fun startActivity(intent: Intent): Unit = TODO()
}

open class ContextWrapper : Context()

class Intent(
    action: String,
) {
    fun setType(type: String): Intent = TODO()

    fun putExtra(
        name: String,
        value: Parcelable?,
    ): Intent = TODO()

    fun addFlags(flags: Int): Intent = TODO()

    companion object {
        const val ACTION_SEND = ""
        const val EXTRA_STREAM = ""
        const val FLAG_GRANT_READ_URI_PERMISSION = 1

        @JvmStatic
        fun createChooser(
            target: Intent,
            title: CharSequence,
        ): Intent = TODO()
    }
}
