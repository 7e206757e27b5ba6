package org.mobilekit.demo

import android.content.res.AssetManager
import org.mobilekit.core.BundleSource

/** What `mobilekit export … --bundle` put among the app's assets. */
class AssetSource(
    private val assets: AssetManager,
) : BundleSource {
    override fun names(folder: String): List<String> = assets.list(folder).orEmpty().sorted()

    override fun bytes(path: String): ByteArray = assets.open(path).use { it.readBytes() }
}
