package org.mobilekit.desktop

import org.mobilekit.core.BenchmarkLoop
import org.mobilekit.core.BundledModel
import org.mobilekit.core.ContractException
import org.mobilekit.core.FolderSource
import org.mobilekit.core.GoldenCheck
import org.mobilekit.core.Manifest
import org.mobilekit.core.Mask
import org.mobilekit.core.ModelFacts
import org.mobilekit.core.ModelFile
import org.mobilekit.core.Picture
import org.mobilekit.core.Plan
import org.mobilekit.core.Preprocess
import org.mobilekit.core.Report
import org.mobilekit.core.Stages
import java.io.File
import kotlin.system.exitProcess

private const val USAGE = "usage: DesktopMain MODEL_DIR IMAGES_DIR OUT [RUNS]"

/** Runs the files of an artifact on PPM pictures by the app's own core; writes their masks and reports. */
fun main(arguments: Array<String>) {
    val words =
        try {
            Desktop(arguments).run()
            return
        } catch (problem: ContractException) {
            problem.message
        } catch (problem: LiteRtException) {
            problem.message
        }
    System.err.println(words)
    exitProcess(1)
}

private class Desktop(
    arguments: Array<String>,
) {
    private val folders = if (arguments.size in 3..4) arguments.take(3).map(::File) else throw ContractException(USAGE)
    private val runs = arguments.getOrNull(3)?.toInt() ?: 10
    private val litert = LiteRt(File(property("mobilekit.litert")))
    private val version = property("mobilekit.litert.version")
    private val manifest = Manifest.parse(File(folders[0], "manifest.json").readText())
    private val model = BundledModel(FolderSource(folders[0].absoluteFile.parentFile), folders[0].name, manifest)
    private val pictures = folders[1].listFiles { file -> file.extension == "ppm" }.orEmpty().sorted()

    private fun property(name: String): String =
        System.getProperty(name) ?: throw ContractException("give -D$name=…; $USAGE")

    fun run() {
        if (pictures.isEmpty()) throw ContractException("${folders[1]}: has no .ppm pictures")
        for (file in manifest.files) {
            val out = File(folders[2], file.path.substringBeforeLast('.'))
            out.mkdirs()
            load(file).use { engine -> draw(engine, file, out) }
            File(out, "report.json").writeText(report(file).text())
            println("${file.path}: ${pictures.size} masks and a report in $out")
        }
    }

    private fun load(file: ModelFile): LiteRtDesktopEngine {
        model.bytesOf(file)
        val engine = LiteRtDesktopEngine(litert, File(folders[0], file.path), version, THREADS)
        val same = engine.inputs.map { it.toJson() } == file.inputs.map { it.toJson() }
        if (!same) throw ContractException("${file.path}: its inputs are not those of its manifest")
        return engine
    }

    private fun draw(
        engine: LiteRtDesktopEngine,
        file: ModelFile,
        out: File,
    ) {
        val preprocess = Preprocess(file.inputs.single(), manifest.range)
        val spec = file.outputs.first { it.isImage }
        val size = spec.imageSize()
        val mask = ByteArray(size.height * size.width)
        for (path in pictures) {
            val picture = path.inputStream().buffered().use(Picture::ppm)
            val outputs = engine.run(listOf(preprocess.values(picture)))
            Mask.of(outputs[file.outputs.indexOf(spec)], spec, mask)
            val header = "P5\n${size.width} ${size.height}\n255\n".toByteArray()
            File(out, "${path.nameWithoutExtension}.pgm").writeBytes(header + mask)
        }
    }

    private fun report(file: ModelFile): Report {
        val parity = load(file).use { GoldenCheck(model, file).check(it) }
        val preprocess = Preprocess(file.inputs.single(), manifest.range)
        val spec = file.outputs.first { it.isImage }
        val picture =
            pictures
                .first()
                .inputStream()
                .buffered()
                .use(Picture::ppm)
        val stages =
            Stages(
                before = { listOf(preprocess.values(picture)) },
                after = { outputs -> Mask.of(outputs[file.outputs.indexOf(spec)], spec) },
            )
        val loop = BenchmarkLoop(vitals = Host.vitals)
        val plan = Plan(2, runs, "bundled:${pictures.first().nameWithoutExtension}")
        val measurement = loop.measure(plan, { load(file) }) { stages }
        val facts =
            ModelFacts(manifest.name, file.variant, file.path, file.sha256, file.sizeBytes, file.inputs, file.outputs)
        return Report(Host.place, "desktop", "1", Host.facts(), facts, measurement, parity)
    }

    private companion object {
        const val THREADS = 1
    }
}
