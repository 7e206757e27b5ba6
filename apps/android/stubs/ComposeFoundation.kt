@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package androidx.compose.foundation

import androidx.compose.runtime.Composable
import androidx.compose.ui.Modifier
import androidx.compose.ui.graphics.ImageBitmap
import androidx.compose.ui.layout.ContentScale

class ScrollState

@Composable
fun isSystemInDarkTheme(): Boolean = error("declared only")

@Composable
fun rememberScrollState(initial: Int = 0): ScrollState = error("declared only")

fun Modifier.verticalScroll(state: ScrollState): Modifier = error("declared only")

fun Modifier.horizontalScroll(state: ScrollState): Modifier = error("declared only")

@Composable
fun Image(
    bitmap: ImageBitmap,
    contentDescription: String?,
    modifier: Modifier = Modifier,
    contentScale: ContentScale = ContentScale.Fit,
): Unit = error("declared only")
