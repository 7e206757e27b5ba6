@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package android

class Manifest {
    class permission {
        companion object {
            const val CAMERA = ""
        }
    }
}
