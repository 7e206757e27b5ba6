package org.mobilekit.core

import java.io.File
import java.io.IOException

/** Where bundled files lie: the app's assets, or a folder. */
interface BundleSource {
    /** Names in a folder; none where there is no such folder. */
    fun names(folder: String): List<String>

    fun bytes(path: String): ByteArray
}

/** Files of a folder. */
class FolderSource(
    private val root: File,
) : BundleSource {
    override fun names(folder: String): List<String> = File(root, folder).list().orEmpty().sorted()

    override fun bytes(path: String): ByteArray = File(root, path).readBytes()
}

/** A model that was bundled, in a folder of its own. */
class BundledModel(
    private val source: BundleSource,
    val folder: String,
    val manifest: Manifest,
) {
    /** The bytes of a file, which are those that the manifest describes. */
    fun bytesOf(file: ModelFile): ByteArray = checked(file.path, file.sha256)

    /** The golden inputs, or outputs, with names such as `images.image`. */
    fun golden(name: String): SafeTensors {
        val path = "golden/$name.safetensors"
        return SafeTensors.parse(checked(path, goldenSha256(name)))
    }

    fun goldenSha256(name: String): String {
        val path = "golden/$name.safetensors"
        return manifest.goldenSha256[path] ?: throw ContractException("${manifest.name}: its manifest has no $path")
    }

    private fun checked(
        path: String,
        sha256: String,
    ): ByteArray {
        val found =
            try {
                source.bytes("$folder/$path")
            } catch (_: IOException) {
                throw ContractException("${manifest.name}: $path is missing; bundle the model again")
            }
        if (sha256Of(found) != sha256) {
            throw ContractException(
                "${manifest.name}: $path is not what its manifest describes; bundle the model again",
            )
        }
        return found
    }
}

/** What the app finds among its assets: each folder of `models/` with a manifest is a model. */
class ModelCatalog(
    private val source: BundleSource,
) {
    /** Models that can be used, and in words why others cannot. */
    class Found(
        val models: List<BundledModel>,
        val problems: List<String>,
    )

    fun find(): Found {
        val models = ArrayList<BundledModel>()
        val problems = ArrayList<String>()
        for (name in source.names(ROOT)) {
            val folder = "$ROOT/$name"
            if (MANIFEST !in source.names(folder)) continue
            try {
                models.add(BundledModel(source, folder, read(folder)))
            } catch (problem: ContractException) {
                problems.add("$name: ${problem.message}")
            }
        }
        return Found(models, problems)
    }

    private fun read(folder: String): Manifest {
        val found = Manifest.parse(String(source.bytes("$folder/$MANIFEST"), Charsets.UTF_8))
        if (found.files.isEmpty()) throw ContractException("it has no .tflite file")
        return found
    }

    private companion object {
        const val ROOT = "models"
        const val MANIFEST = "manifest.json"
    }
}
