@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package org.mobilekit.demo

/** What Gradle makes of the app's settings and resources. */
object BuildConfig {
    const val LITERT_VERSION = ""
    const val VERSION_NAME = ""
}

class R {
    class string {
        companion object {
            const val measuring = 0
        }
    }
}
