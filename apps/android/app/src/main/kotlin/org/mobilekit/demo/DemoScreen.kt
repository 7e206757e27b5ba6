package org.mobilekit.demo

import androidx.compose.foundation.isSystemInDarkTheme
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.verticalScroll
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.NavigationBar
import androidx.compose.material3.NavigationBarItem
import androidx.compose.material3.Scaffold
import androidx.compose.material3.Text
import androidx.compose.material3.darkColorScheme
import androidx.compose.material3.lightColorScheme
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.saveable.rememberSaveable
import androidx.compose.runtime.setValue
import androidx.compose.ui.Modifier
import androidx.compose.ui.unit.dp
import androidx.lifecycle.LifecycleOwner

/** The screens. */
enum class Screen { LIVE, BENCHMARK, PARITY }

/** The screens with a bar to choose between them. */
@Composable
fun DemoScreen(
    model: DemoModel,
    camera: Boolean,
    owner: LifecycleOwner,
    askForCamera: () -> Unit,
) {
    var screen by rememberSaveable { mutableStateOf(Screen.LIVE) }
    MaterialTheme(colorScheme = if (isSystemInDarkTheme()) darkColorScheme() else lightColorScheme()) {
        Scaffold(bottomBar = { Bar(screen) { screen = it } }) { padding ->
            Column(
                Modifier
                    .padding(padding)
                    .padding(16.dp)
                    .verticalScroll(rememberScrollState()),
            ) {
                ModelPicker(model.choice)
                when (screen) {
                    Screen.LIVE -> LiveScreen(model.live, camera, owner, askForCamera)
                    Screen.BENCHMARK -> BenchmarkScreen(model.benchmark)
                    Screen.PARITY -> ParityScreen(model.parity)
                }
            }
        }
    }
}

@Composable
private fun Bar(
    chosen: Screen,
    choose: (Screen) -> Unit,
) {
    NavigationBar {
        for (screen in Screen.entries) {
            val name = screen.name.lowercase().replaceFirstChar { it.uppercase() }
            NavigationBarItem(
                selected = screen == chosen,
                onClick = { choose(screen) },
                icon = { Text(name.take(1)) },
                label = { Text(name) },
            )
        }
    }
}
