package org.mobilekit.demo

import androidx.compose.material3.Button
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable

/** Compares the chosen model's outputs on each unit of this phone with its golden vectors. */
@Composable
fun ParityScreen(model: ParityModel) {
    Button(onClick = model::start, enabled = !model.running) { Text("Compare with the golden vectors") }
    Rows(model.rows)
    Shown(model.shown, "golden picture")
}
