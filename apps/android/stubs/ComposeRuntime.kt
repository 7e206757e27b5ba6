@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package androidx.compose.runtime

import kotlin.reflect.KProperty

@Target(AnnotationTarget.FUNCTION, AnnotationTarget.TYPE, AnnotationTarget.PROPERTY_GETTER)
annotation class Composable

interface State<out T> {
    val value: T
}

interface MutableState<T> : State<T> {
    override var value: T
}

interface MutableIntState : MutableState<Int>

fun <T> mutableStateOf(value: T): MutableState<T> = error("declared only")

fun mutableIntStateOf(value: Int): MutableIntState = error("declared only")

interface MutableFloatState : MutableState<Float>

fun mutableFloatStateOf(value: Float): MutableFloatState = error("declared only")

operator fun <T> State<T>.getValue(
    thisObj: Any?,
    property: KProperty<*>,
): T = error("declared only")

operator fun <T> MutableState<T>.setValue(
    thisObj: Any?,
    property: KProperty<*>,
    value: T,
): Unit = error("declared only")

interface DisposableEffectResult

class DisposableEffectScope {
    fun onDispose(onDisposeEffect: () -> Unit): DisposableEffectResult = error("declared only")
}

@Composable
fun DisposableEffect(
    key1: Any?,
    effect: DisposableEffectScope.() -> DisposableEffectResult,
): Unit = error("declared only")
