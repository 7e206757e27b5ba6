package org.mobilekit.demo

import androidx.compose.material3.Button
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.DisposableEffect
import androidx.lifecycle.LifecycleOwner

/** The camera with the mask or the heat over the face, the score of a forgery, and the times of the stages. */
@Composable
fun LiveScreen(
    model: LiveModel,
    camera: Boolean,
    owner: LifecycleOwner,
    askForCamera: () -> Unit,
) {
    if (!camera) {
        Text("The camera's frames are looked at on this phone and never stored.")
        Button(onClick = askForCamera) { Text("Allow the camera") }
        Text("Once refused, it can be allowed in the phone's settings.")
        return
    }
    DisposableEffect(owner) {
        model.start(owner)
        onDispose { model.stop() }
    }
    ScreenStaysOn()
    Chips(Facing.entries, model.facing, { "${it.name.lowercase()} camera" }) {
        if (it !=
            model.facing
        ) {
            model.turn(owner)
        }
    }
    Problem(model.problem)
    Shown(model.shown, "camera")
    for ((name, value) in model.verdict) Text("$name: $value", style = MaterialTheme.typography.headlineMedium)
    Legend(model.legend)
    Rows(model.rows)
}
