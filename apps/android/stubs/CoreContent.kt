@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package androidx.core.content

import android.content.Context
import android.net.Uri
import java.io.File
import java.util.concurrent.Executor

class FileProvider {
    companion object {
        @JvmStatic
        fun getUriForFile(
            context: Context,
            authority: String,
            file: File,
        ): Uri = error("declared only")
    }
}

open class ContextCompat {
    companion object {
        @JvmStatic
        fun getMainExecutor(context: Context): Executor = error("declared only")
    }
}
