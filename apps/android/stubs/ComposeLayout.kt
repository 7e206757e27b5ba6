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
): Unit = error("declared only")

@Composable
fun Row(
    modifier: Modifier = Modifier,
    content: @Composable RowScope.() -> Unit,
): Unit = error("declared only")

fun Modifier.padding(paddingValues: PaddingValues): Modifier = error("declared only")

fun Modifier.padding(all: Dp): Modifier = error("declared only")

fun Modifier.padding(
    horizontal: Dp = error("declared only"),
    vertical: Dp = error("declared only"),
): Modifier = error("declared only")

fun Modifier.padding(
    start: Dp = error("declared only"),
    top: Dp = error("declared only"),
    end: Dp = error("declared only"),
    bottom: Dp = error("declared only"),
): Modifier = error("declared only")

fun Modifier.fillMaxWidth(fraction: Float = 1f): Modifier = error("declared only")
