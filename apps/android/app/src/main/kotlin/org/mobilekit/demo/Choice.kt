package org.mobilekit.demo

import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.setValue
import org.mobilekit.core.BundledModel
import org.mobilekit.core.ModelFile
import org.mobilekit.core.Units

/** Which file of which bundled model runs, and where; the same on all screens. */
class Choice(
    store: ModelStore,
) {
    val problems: List<String> = store.found.problems
    val units: List<String> = Units.ALL

    /** All files of all models, on the first unit. */
    val files: List<Chosen> =
        store.found.models.flatMap { model -> model.manifest.files.map { Chosen(model, it, units.first()) } }

    /** Null while no model is bundled; one value, as other threads read it while it is chosen. */
    var chosen: Chosen? by mutableStateOf(files.firstOrNull())
        private set

    fun choose(
        model: BundledModel,
        file: ModelFile,
    ) {
        chosen = chosen?.copy(model = model, file = file)
    }

    fun choose(unit: String) {
        chosen = chosen?.copy(unit = unit)
    }
}

/** A file of a model on a unit. */
data class Chosen(
    val model: BundledModel,
    val file: ModelFile,
    val unit: String,
) {
    val name: String get() = "${model.manifest.name} ${file.variant}"
}
