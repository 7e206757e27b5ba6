package org.mobilekit.demo

import android.graphics.Bitmap
import androidx.compose.foundation.Image
import androidx.compose.foundation.horizontalScroll
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.rememberScrollState
import androidx.compose.material3.FilterChip
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.DisposableEffect
import androidx.compose.ui.Modifier
import androidx.compose.ui.graphics.Color
import androidx.compose.ui.graphics.asImageBitmap
import androidx.compose.ui.layout.ContentScale
import androidx.compose.ui.platform.LocalView
import androidx.compose.ui.unit.dp

/** Chips for all files of all models, and for the units. */
@Composable
fun ModelPicker(choice: Choice) {
    val chosen = choice.chosen
    if (chosen == null) {
        Text("No model is bundled. Run: mobilekit export mobile-hourglass --bundle apps/")
    } else {
        Chips(
            choice.files,
            choice.files.find { it.file == chosen.file },
            { it.name },
        ) { choice.choose(it.model, it.file) }
        Chips(choice.units, chosen.unit, { it.uppercase() }) { choice.choose(it) }
    }
    for (problem in choice.problems) Problem(problem)
}

/** One of several, in a row that scrolls. */
@Composable
fun <T> Chips(
    options: List<T>,
    chosen: T?,
    name: (T) -> String,
    choose: (T) -> Unit,
) {
    Row(Modifier.horizontalScroll(rememberScrollState())) {
        for (option in options) {
            FilterChip(
                selected = option == chosen,
                onClick = { choose(option) },
                label = { Text(name(option)) },
                modifier = Modifier.padding(end = 8.dp),
            )
        }
    }
}

/** Names and what belongs to them. */
@Composable
fun Rows(rows: List<Pair<String, String>>) {
    for ((name, value) in rows) {
        Row(Modifier.fillMaxWidth().padding(vertical = 2.dp)) {
            Text(name, Modifier.weight(1f))
            Text(value)
        }
    }
}

/** Keeps the screen on while this is shown: a phone that falls asleep slows its processors. */
@Composable
fun ScreenStaysOn() {
    val view = LocalView.current
    DisposableEffect(view) {
        view.keepScreenOn = true
        onDispose { view.keepScreenOn = false }
    }
}

/** Names in their colours. */
@Composable
fun Legend(entries: List<Pair<String, Int>>) {
    Row(Modifier.horizontalScroll(rememberScrollState())) {
        for ((name, colour) in entries) Text("■ $name", Modifier.padding(end = 12.dp), color = Color(colour))
    }
}

/** A picture as wide as the screen. */
@Composable
fun Shown(
    bitmap: Bitmap?,
    words: String,
) {
    if (bitmap == null) return
    Image(bitmap.asImageBitmap(), words, Modifier.fillMaxWidth(), contentScale = ContentScale.FillWidth)
}

/** What went wrong, in red. */
@Composable
fun Problem(words: String?) {
    if (words != null) Text(words, color = MaterialTheme.colorScheme.error)
}
