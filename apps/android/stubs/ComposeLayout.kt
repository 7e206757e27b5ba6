@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package androidx.compose.foundation.layout

import androidx.compose.runtime.Composable
import androidx.compose.ui.Modifier
import androidx.compose.ui.unit.Dp

interface PaddingValues

interface ColumnScope

interface RowScope {
    fun Modifier.weight(weight: Float): Modifier
}

@Composable
fun Column(
    modifier: Modifier = Modifier,
    content: @Composable ColumnScope.() -> Unit,
): Unit = TODO()

@Composable
fun Row(
    modifier: Modifier = Modifier,
    content: @Composable RowScope.() -> Unit,
): Unit = TODO()

fun Modifier.padding(paddingValues: PaddingValues): Modifier = TODO()

fun Modifier.padding(all: Dp): Modifier = TODO()

fun Modifier.padding(
    horizontal: Dp = TODO(),
    vertical: Dp = TODO(),
): Modifier = TODO()

fun Modifier.padding(
    start: Dp = TODO(),
    top: Dp = TODO(),
    end: Dp = TODO(),
    bottom: Dp = TODO(),
): Modifier = TODO()

fun Modifier.fillMaxWidth(fraction: Float = 1f): Modifier = TODO()
