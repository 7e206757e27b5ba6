@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package androidx.compose.material3

import androidx.compose.foundation.layout.PaddingValues
import androidx.compose.foundation.layout.RowScope
import androidx.compose.runtime.Composable
import androidx.compose.ui.Modifier
import androidx.compose.ui.graphics.Color
import androidx.compose.ui.text.TextStyle

class ColorScheme {
    val error: Color get() = error("declared only")
}

class Typography {
    val headlineMedium: TextStyle get() = error("declared only")
    val titleMedium: TextStyle get() = error("declared only")
}

fun lightColorScheme(): ColorScheme = error("declared only")

fun darkColorScheme(): ColorScheme = error("declared only")

object MaterialTheme {
    val typography: Typography
        @Composable get() = error("declared only")
    val colorScheme: ColorScheme
        @Composable get() = error("declared only")
}

@Composable
fun MaterialTheme(
    colorScheme: ColorScheme = lightColorScheme(),
    content: @Composable () -> Unit,
): Unit = error("declared only")

@Composable
fun Scaffold(
    modifier: Modifier = Modifier,
    topBar: @Composable () -> Unit = {},
    bottomBar: @Composable () -> Unit = {},
    content: @Composable (PaddingValues) -> Unit,
): Unit = error("declared only")

@Composable
fun NavigationBar(
    modifier: Modifier = Modifier,
    content: @Composable RowScope.() -> Unit,
): Unit = error("declared only")

@Composable
fun RowScope.NavigationBarItem(
    selected: Boolean,
    onClick: () -> Unit,
    icon: @Composable () -> Unit,
    modifier: Modifier = Modifier,
    enabled: Boolean = true,
    label: @Composable (() -> Unit)? = null,
): Unit = error("declared only")

@Composable
fun Text(
    text: String,
    modifier: Modifier = Modifier,
    color: Color = Color.Unspecified,
    style: TextStyle = error("declared only"),
): Unit = error("declared only")

@Composable
fun Button(
    onClick: () -> Unit,
    modifier: Modifier = Modifier,
    enabled: Boolean = true,
    content: @Composable RowScope.() -> Unit,
): Unit = error("declared only")

@Composable
fun FilterChip(
    selected: Boolean,
    onClick: () -> Unit,
    label: @Composable () -> Unit,
    modifier: Modifier = Modifier,
    enabled: Boolean = true,
): Unit = error("declared only")

@Composable
fun LinearProgressIndicator(
    progress: () -> Float,
    modifier: Modifier = Modifier,
): Unit = error("declared only")
