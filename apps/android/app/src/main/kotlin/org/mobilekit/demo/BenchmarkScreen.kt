package org.mobilekit.demo

import androidx.compose.material3.Button
import androidx.compose.material3.LinearProgressIndicator
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.ui.platform.LocalContext
import org.mobilekit.core.Words

/** Measures the chosen model on its bundled picture, and shares the reports. */
@Composable
fun BenchmarkScreen(model: BenchmarkModel) {
    val context = LocalContext.current
    Chips(BenchmarkModel.RUNS, model.runs, { "$it runs" }) { model.runs = it }
    if (model.running) {
        ScreenStaysOn()
        Button(onClick = model::cancel) { Text("Cancel") }
        LinearProgressIndicator(progress = { model.progress })
    } else {
        Button(onClick = model::start) { Text("Measure") }
    }
    Problem(model.problem)
    for (kept in model.kept) {
        Text(kept.title, style = MaterialTheme.typography.titleMedium)
        Rows(Words.of(kept.report))
        Button(onClick = { SharedReports.share(context, kept.report) }) { Text("Share the report") }
    }
}
