@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package android.content.pm

abstract class PackageManager {
    companion object {
        const val PERMISSION_GRANTED = 0
    }
}
